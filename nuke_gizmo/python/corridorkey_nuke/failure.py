"""What can go wrong, as sentences for an artist: the cause, then the next step. Knows nothing else."""


class Refusal(Exception):
    """What was asked for cannot be done as it stands; `str` is the sentence."""


class NoDaemon(Refusal):
    """No daemon of this user runs on this machine."""


class Lost(Refusal):
    """The daemon has ended or does not answer; what was asked of it and not answered is void."""


class Stopped(Exception):
    """Somebody does not want it any more; no failure, and there is nothing to say."""
