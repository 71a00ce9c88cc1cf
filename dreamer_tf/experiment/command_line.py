"""Starts the commands, and turns a user's errors into one sentence and an exit code."""

import os
import re
import sys
from collections.abc import Callable, Sequence

from absl import app, flags, logging

from dreamer_tf.errors import UserError, printable
from dreamer_tf.experiment import places, signals, streams
from dreamer_tf.storage import os_errors

USER_ERROR = 2


def run(
    main: Callable[[Sequence[str]], int | None], *, resumable: bool = False, prints: bool = False
) -> None:
    """Runs a command. A user's error becomes one sentence on standard error and exit code 2.

    Args:
      main: takes the arguments that are not flags and returns an exit code. It imports TensorFlow
        itself, so that wrong flags and `--help` are answered at once.
      resumable: whether the same command can be started again after a signal.
      prints: whether standard output is the result of the command.
    """
    streams.use_utf8()
    streams.prepare()
    signals.end_at_once(resumable)
    if resumable:
        signals.end_with_parent()

    def guarded(argv: Sequence[str]) -> int | None:
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.ERROR)  # --verbosity=0 shows Dopamine's messages too
        if len(argv) > 1:
            return _fail(f"'{argv[1]}' is not a flag: every argument is --name=value.")
        try:
            places.check_flags(flags.FLAGS.flag_values_dict())
            return streams.exit_code(main(argv), prints)
        except UserError as error:
            return _fail(error.sentence)
        # Only what the user can change; other failures of the system keep their traceback.
        except OSError as error:
            sentence = os_errors.sentence(error)
            if sentence is None:
                raise
            return _fail(f"{sentence}.")
        except RuntimeError as error:
            from dreamer_tf.experiment.gin_files import explain

            if str(error).startswith("Required bindings"):
                return _fail(explain(error))
            raise
        except (TypeError, ValueError) as error:
            # A gin value of the wrong type fails inside the constructor that gets it.
            match = re.search(r"In call to configurable '(\w+)'", str(error))
            if match is None or logging.get_verbosity() >= logging.DEBUG:
                raise
            problem = str(error).split("\n")[0].rstrip(".")
            # Gin calls @Name() itself, without the arguments that a part is made with.
            called = "missing" in problem and "argument" in problem
            hint = f"where @{match[1]}() stands, try @{match[1]}; " if called else ""
            return _fail(
                f"gin: a parameter of {match[1]} has a wrong value ({problem}); {hint}"
                "--verbosity=1 shows where."
            )

    app.run(guarded, flags_parser=_parse_flags)


def _parse_flags(argv: Sequence[str]) -> list[str]:
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        sys.exit(_fail(f"{str(error).rstrip('.')}; --help lists the flags."))


def _fail(sentence: str) -> int:
    # A name in a file or a path may hold escapes of the terminal.
    shown = "\n".join(map(printable, sentence.split("\n")))
    print(f"{os.path.basename(sys.argv[0])}: {shown}", file=sys.stderr)
    return USER_ERROR
