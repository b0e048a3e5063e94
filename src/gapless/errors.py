"""Every error that Gapless raises on purpose.

    GaplessError
    ├── ConfigError (ValueError)          a setting or an option is wrong
    ├── AudioError (ValueError)           audio that cannot be used
    │   ├── UnsupportedAudioError         a format, rate or layout outside what is supported
    │   ├── InvalidAudioError             damaged, truncated or not audio at all
    │   └── AudioTooLongError             more audio than the limit allows
    ├── DeviceError (OSError)             a sound device is missing or was lost
    ├── ProtocolError (ValueError)        a message that breaks its dialect
    │   └── TooLargeError                 a frame, field or body over its bound
    ├── NotFoundError (LookupError)       a thing asked for by name or id does not exist
    │   └── ModelNotFoundError            no such model here
    ├── ModelError (RuntimeError)         a model is broken or failed while running
    ├── MissingDependencyError (ImportError)  an optional package or program is not installed
    ├── AccessError (PermissionError)     no key, a wrong key, a foreign origin
    │   └── ForbiddenError                known, but not allowed
    ├── ConnectionLostError (ConnectionError)  the other side cannot be reached, or went away
    ├── DeadlineError (TimeoutError)      no answer in the time that the caller gave it
    ├── StoreError (RuntimeError)         what is kept cannot be read or written
    └── OverloadError (RuntimeError)      a bound is reached: come back later

Each class has a stable ``code`` that goes on the wire and a ``retryable`` flag that says whether the same request may
succeed later. Messages are sentences that end with what to do.
"""

from __future__ import annotations

from typing import ClassVar


class GaplessError(Exception):
    """Root of the tree: catches everything Gapless raises on purpose."""

    code: ClassVar[str] = "gapless_error"
    retryable: ClassVar[bool] = False

    def __init__(
        self, message: str, *, param: str | None = None, retry_after_ms: int | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        """The sentence shown to a person."""
        self.param = param
        """The field, setting or query parameter that is at fault, where there is one."""
        self.retry_after_ms = retry_after_ms
        """How long to wait before trying again, for retryable errors."""

    def __str__(self) -> str:
        return self.message


class ConfigError(GaplessError, ValueError):
    """A setting or an option is wrong; the message names it, its value and its range."""

    code = "invalid_config"


class AudioError(GaplessError, ValueError):
    """Audio that cannot be used."""

    code = "audio_error"


class UnsupportedAudioError(AudioError):
    """A format, rate or channel layout outside what is supported."""

    code = "unsupported_audio"


class InvalidAudioError(AudioError):
    """Damaged, truncated, not finite, or not audio at all."""

    code = "invalid_audio"


class AudioTooLongError(AudioError):
    """More audio than the limit allows."""

    code = "audio_too_long"


class DeviceError(GaplessError, OSError):
    """A sound device is missing, busy or was lost."""

    code = "device_error"
    retryable = True


class ProtocolError(GaplessError, ValueError):
    """A message that breaks its dialect: unknown field, wrong type, wrong order."""

    code = "invalid_request"


class TooLargeError(ProtocolError):
    """A frame, field or body over its bound."""

    code = "too_large"


class NotFoundError(GaplessError, LookupError):
    """A thing asked for by name or id does not exist."""

    code = "not_found"


class ModelNotFoundError(NotFoundError):
    """No model of that name is here."""

    code = "model_not_found"


class ModelError(GaplessError, RuntimeError):
    """A model cannot be loaded, or failed while running."""

    code = "model_error"


class MissingDependencyError(GaplessError, ImportError):
    """An optional package or program is not installed; the message names the command that adds it."""

    code = "missing_dependency"


class AccessError(GaplessError, PermissionError):
    """No key, or a wrong one."""

    code = "unauthorized"


class ForbiddenError(AccessError):
    """A request that no key makes good, such as a browser page of a foreign origin."""

    code = "forbidden"


class ConnectionLostError(GaplessError, ConnectionError):
    """A server cannot be reached, or went away before it was done."""

    code = "connection_lost"
    retryable = True


class DeadlineError(GaplessError, TimeoutError):
    """The answer would have come after its deadline; the work was not begun, or was given up."""

    code = "deadline_exceeded"
    retryable = True


class StoreError(GaplessError, RuntimeError):
    """What is kept cannot be read or written."""

    code = "store_error"
    retryable = True


class OverloadError(GaplessError, RuntimeError):
    """A bound is reached; ``retry_after_ms`` says when to come back."""

    code = "overloaded"
    retryable = True
