/* Preloaded into User Mode Linux on a processor whose XSAVE area is larger than the one that it has room for.
 *
 * It reads a process's area truncated, which the host allows, and writes back what it has, which the host refuses:
 * PTRACE_SETREGSET of NT_X86_XSTATE wants the whole area. This ptrace() fills up the rest, the AMX tiles, and says
 * in the header that they are unused, as they are: no process of a guest can ask the host for their use.
 *
 * Declares what it needs by itself, so that tcc is enough and no libc headers are.
 */
enum { SYS_ptrace = 101, LAST_PEEK = 3, GETREGSET = 0x4204, SETREGSET = 0x4205, NT_X86_XSTATE = 0x202 };
enum { HEADER = 512, WHOLE_AREA = 1 << 16 };
#define FIT 0x3ffUL /* features whose place is within what User Mode Linux keeps: x87 to AVX-512 and PKRU */

struct iovec {
	void *base;
	unsigned long size;
};

extern long syscall(long number, ...);
extern void *memcpy(void *to, const void *from, unsigned long size);

static char area[WHOLE_AREA];
static unsigned long area_size; /* what the host has, 0 until asked */

static long set_xstate(long pid, const struct iovec *given)
{
	struct iovec whole = {area, sizeof area};

	if (area_size == 0) {
		if (syscall(SYS_ptrace, GETREGSET, pid, NT_X86_XSTATE, &whole) < 0)
			return -1;
		area_size = whole.size;
	}
	whole.size = area_size;
	memcpy(area, given->base, given->size < area_size ? given->size : area_size);
	*(unsigned long *)(area + HEADER) &= FIT;
	return syscall(SYS_ptrace, SETREGSET, pid, NT_X86_XSTATE, &whole);
}

/* As glibc's: the result of a peek is returned, where the system call stores it. */
long ptrace(int request, long pid, long address, void *given)
{
	long word;

	if (request == SETREGSET && address == NT_X86_XSTATE)
		return set_xstate(pid, given);
	if (request < 1 || request > LAST_PEEK)
		return syscall(SYS_ptrace, (long)request, pid, address, given);
	return syscall(SYS_ptrace, (long)request, pid, address, &word) < 0 ? -1 : word;
}
