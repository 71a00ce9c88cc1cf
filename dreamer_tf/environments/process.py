"""An environment in a child process.

MuJoCo's software rendering cannot share a process with TensorFlow. Both bring their own LLVM; Mesa
finds TensorFlow's copy first and crashes. So the control suite runs in a child process that never
imports TensorFlow. The child ends when the connection closes, however the parent ended and whatever
the child is doing.
"""

import importlib
import os
import socket
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from dreamer_tf.environments.interface import Environment, Observation, complete
from dreamer_tf.environments.lifeline import (
    GRACE,
    end_with_parent,
    hang_up,
    leave_signals_to_parent,
)
from dreamer_tf.errors import UserError, told


class ProcessEnvironment(Environment):
    """Stands for an environment that lives in a child process."""

    ATTRIBUTES = (
        *("name", "protocol", "frames_per_step", "observation_space", "action_space"),
        *("max_steps", "notes", "records"),
    )

    def __init__(self, factory: str, **settings: Any):
        """Starts the child process and creates the environment there.

        Args:
          factory: 'module:name' of the class or function that creates it.
          **settings: arguments of the factory.

        Raises:
          UserError: from the factory.
        """
        ours, theirs = socket.socketpair()
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join([root, *(os.path.abspath(place) for place in sys.path)])
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            # `-m` would search the working directory, also where this process does not.
            env=os.environ | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"},
        )
        theirs.close()
        self._connection = Connection(ours.detach())
        self._factory = factory
        for key, value in self._call("make", factory, settings).items():
            setattr(self, key, value)

    def reset(self, seed: int | None = None) -> Observation:
        """See `Environment`."""
        return self._call("reset", seed)

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """See `Environment`."""
        return self._call("step", action)

    def render(self) -> np.ndarray:
        """See `Environment`."""
        return self._call("render")

    def close(self) -> None:
        """Ends the child process."""
        self._connection.close()
        try:
            self._process.wait(timeout=2 * GRACE)
        except subprocess.TimeoutExpired:  # it hangs where Python cannot end it
            self._process.kill()
            self._process.wait()

    def _call(self, method: str, *arguments: Any) -> Any:
        try:
            self._connection.send((method, arguments))
            succeeded, result = self._connection.recv()
        except (EOFError, OSError) as error:
            raise RuntimeError(
                f"The process of the environment {self._factory} ended with exit code "
                f"{self._process.poll()} during {method}()."
            ) from error
        if succeeded:
            return result
        raise result


def _make(factory: str, settings: dict[str, Any]) -> Environment:
    module, _, name = factory.partition(":")
    return complete(getattr(importlib.import_module(module), name)(**settings))


def _serve(connection: Connection) -> None:
    """Answers requests until the connection closes."""
    end_with_parent(hang_up(connection.fileno()))
    environment = None
    while True:
        try:
            method, arguments = connection.recv()
        except EOFError:
            return
        try:
            if method == "make":
                environment = _make(*arguments)
                result = {key: getattr(environment, key) for key in ProcessEnvironment.ATTRIBUTES}
            else:
                result = getattr(environment, method)(*arguments)
            answer: tuple[bool, Any] = (True, result)
        except UserError as error:
            answer = (False, UserError(error.sentence))
        # Also SystemExit and the like. The class may not be importable in the parent.
        except BaseException as error:
            answer = (False, RuntimeError(told(error)))
        try:
            connection.send(answer)
        except BrokenPipeError:
            return
        except Exception as error:  # what the environment returned cannot be sent
            connection.send((False, RuntimeError(told(error))))


if __name__ == "__main__":
    leave_signals_to_parent()
    _serve(Connection(int(sys.argv[1])))
