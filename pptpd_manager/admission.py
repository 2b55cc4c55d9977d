"""Calls that not everybody may make: who calls is found out, polkit is asked, then the call is made or refused.

The loop waits for nobody. What is under way with polkit is bounded, for each user and in all: the bus allows us 128
calls that are not answered yet (max_replies_per_connection in dbus-daemon(1)), and others than polkit have to be
called, too. So a turn is over only when polkit's answer is here, however late. Who is refused has his turn for a
moment longer, which bounds how much polkit is asked for the sake of a user whom it says no to; and one question is
for all calls of a client that ask the same. What others than root may do is done in turns, too: each may be a call of
systemd.
"""

from __future__ import annotations

from collections.abc import Callable

from gi.repository import Gio

from pptpd_manager import polkit
from pptpd_manager.accounts import Accounts
from pptpd_manager.answers import Answers, Key
from pptpd_manager.authorization import (
    ROOT,
    Answer,
    Ask,
    Caller,
    Granted,
    Ids,
    LookUp,
    Refused,
    Request,
    Said,
    decide,
    too_many,
)
from pptpd_manager.callers import Callers
from pptpd_manager.objects import Call, Method, perform
from pptpd_manager.timers import Timers
from pptpd_manager.turns import Job, Limits, Turns

ANSWER_SECONDS = 10.0  # for polkit itself
PROMPT_SECONDS = 300.0  # for somebody to come and authenticate
REFUSED_SECONDS, ACT_SECONDS = 1.0, 0.25  # a turn lasts so much longer than what it was for
QUESTIONS = Limits(each=4, together=32, each_line=64, line=1024)
ACTS = Limits(each=8, together=32, each_line=64, line=1024)
PROMPTS = Limits(each=4, together=16, each_line=64, line=1024)  # apart: a question does not wait for people


class Admission:
    """Lets calls in, or refuses them."""

    def __init__(self, con: Gio.DBusConnection, timers: Timers) -> None:
        self.con, self.timers = con, timers
        self.callers, self.accounts = Callers(con), Accounts(timers)
        self.answers: Answers[_Check] = Answers()
        self.questions, self.prompts, self.acts = Turns(QUESTIONS), Turns(PROMPTS), Turns(ACTS)

    def admit(self, call: Call, request: Callable[[], Request], method: Method) -> None:
        """Run method(call) if the caller may do that, now or later; else end the call.

        request: what is asked for, as things are now; asked for again after every answer. Raises DBusError when it
        makes no sense (any more).
        """
        asked = request()  # for what makes no sense nobody needs to be asked
        key = Key(call.sender, asked.action, asked.tunnel)

        def known(caller: Caller | None) -> None:
            if not call.done:
                _Check(self, call, key, request, method, caller).proceed()

        self.callers.of(call.sender, known)


class _Check:
    """One call on its way."""

    def __init__(
        self,
        admission: Admission,
        call: Call,
        key: Key,
        request: Callable[[], Request],
        method: Method,
        caller: Caller | None,
    ) -> None:
        self._admission, self._call, self._request, self._method = admission, call, request, method
        self._key, self._caller = key, caller
        self._uid = caller.uid if caller else ROOT
        self._ids: Ids | None = None
        self._answer: Answer | None = None
        self._turns: Turns | None = None  # where it is in line, or has its turn
        self._job: Job = _nothing
        self._prompt = False
        self._began = self._over = False
        self._asked = False  # polkit, and it has not answered yet
        self._cancel = _nothing
        self._timer = object()  # a key that does not keep this and the call
        call.when_ended(lambda: self._end(REFUSED_SECONDS))  # by whoever: the caller may have left

    def proceed(self) -> None:
        """The next step, from what is known by now."""
        if not self._over:
            perform(self._call, self._ending(self._step))

    def _ending(self, step: Method) -> Method:
        """step, with which this is over if it raises."""

        def run(call: Call) -> None:
            try:
                step(call)
            except Exception:
                self._end()
                raise

        return run

    def _step(self, call: Call) -> None:
        request = self._request()
        match decide(request, self._caller, self._ids, self._answer):
            case Granted() if self._uid == ROOT or self._turns is self._admission.acts:
                self._end(ACT_SECONDS)
                self._method(call)
            case Granted():
                self._admission.timers.cancel(self._timer)
                self._line_up(request, self._admission.acts, self._begin_acting)
            case Refused() as refused:
                call.fail(refused.error)
            case LookUp():
                self._admission.accounts.look_up(request.users, request.groups, self._found)
            case Ask(prompt=prompt):
                self._have_asked(request, prompt)

    def _found(self, ids: Ids) -> None:
        self._ids = ids
        self.proceed()

    def _line_up(self, request: Request, turns: Turns, job: Job) -> None:
        """Have job begin when it is our turn. Raises DBusError."""
        assert self._caller
        self._leave()
        self._turns, self._job, self._began = turns, job, False
        if not turns.take(self._caller.uid, job):
            self._turns = None
            raise too_many(request, self._caller).error

    def _begin_acting(self) -> None:
        self._began = True
        self.proceed()

    # --- polkit ---

    def _have_asked(self, request: Request, prompt: bool) -> None:
        self._prompt = prompt
        if not prompt and (known := self._admission.answers.known(self._key)):
            return self._take(known)
        self._admission.timers.start(self._timer, PROMPT_SECONDS if prompt else ANSWER_SECONDS, self._run_out)
        if prompt:
            self._line_up(request, self._admission.prompts, self._begin_asking)
        elif self._admission.answers.wait(self._key, self):
            self._line_up(request, self._admission.questions, self._begin_asking)

    def _begin_asking(self) -> None:
        self._began = True
        perform(self._call, self._ending(self._ask))

    def _ask(self, call: Call) -> None:
        request = self._request()
        details = {"tunnel": request.tunnel} if request.tunnel else {}
        self._asked = True
        self._cancel = polkit.check(
            self._admission.con, call.sender, request.action.id, details, self._prompt, self._answered
        )

    def _answered(self, answer: Answer) -> None:
        """polkit's answer; to a question that was given up it may be anything."""
        answers, self._asked, self._cancel = self._admission.answers, False, _nothing
        if self._over:
            self._leave()
            self._hand_over()
        elif self._prompt:
            if answer.said is Said.YES:
                answers.forget(self._call.sender)
            self._take(answer)
        else:
            for check in answers.tell(self._key, answer):
                check._take(answer)

    def _take(self, answer: Answer) -> None:
        self._answer = answer
        self.proceed()

    def _hand_over(self) -> None:
        """Others who wait for the answer have to ask for it themselves."""
        if heir := self._admission.answers.leave(self._key, self):
            heir._inherit()

    def _inherit(self) -> None:
        def line_up(_call: Call) -> None:
            self._line_up(self._request(), self._admission.questions, self._begin_asking)

        perform(self._call, self._ending(line_up))

    def _run_out(self) -> None:
        self._take(Answer(Said.SILENT, self._prompt))

    def _end(self, penalty: float = 0.0) -> None:
        """Nothing more is to come of this, but a late answer of polkit."""
        if self._over:
            return
        self._over = True
        self._admission.timers.cancel(self._timer)
        if self._asked:
            return self._cancel()
        if penalty and self._began:
            self._admission.timers.start(self._timer, penalty, self._leave)
        else:
            self._leave()
        self._hand_over()

    def _leave(self) -> None:
        """The turn is over, or the place in line is given up."""
        turns, self._turns = self._turns, None
        job, self._job = self._job, _nothing  # which leads back here: a cycle would keep the call, and its descriptors
        if turns:
            turns.leave(self._uid, job)


def _nothing() -> None:
    """There is nothing to end."""
