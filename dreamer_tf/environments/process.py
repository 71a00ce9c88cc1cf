"""An environment in a process of its own.

MuJoCo's software rendering cannot share a process with TensorFlow: both bring LLVM, Mesa finds
TensorFlow's copy first and crashes. So the control suite lives in a child that never imports
TensorFlow. The child ends when the connection closes, however the parent ended.
"""

import importlib
import os
import signal
import socket
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from dreamer_tf.errors import UserError


class ProcessEnvironment:
    """Has the attributes and methods of an environment that lives in a child process."""

    ATTRIBUTES = ("name", "protocol", "frames_per_step", "observation_space", "action_space")

    def __init__(self, factory: str, **settings: Any):
        """Starts the child and makes the environment there.

        Args:
          factory: 'module:name' of the class or function that makes it.
          **settings: its arguments.

        Raises:
          UserError: as raised by the factory.
        """
        ours, theirs = socket.socketpair()
        root = str(Path(__file__).resolve().parents[2])
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            env=os.environ | {"PYTHONPATH": path},
        )
        theirs.close()
        self._connection = Connection(ours.detach())
        self._factory = factory
        attributes = self._call("make", factory, settings)
        for key in self.ATTRIBUTES:
            setattr(self, key, attributes[key])

    def reset(self, seed: int | None = None) -> Any:
        """As the environment's."""
        return self._call("reset", seed)

    def step(self, action: Any) -> Any:
        """As the environment's."""
        return self._call("step", action)

    def render(self) -> Any:
        """As the environment's."""
        return self._call("render")

    def close(self) -> None:
        """Ends the child."""
        self._connection.close()
        self._process.wait(timeout=10)

    def _call(self, method: str, *arguments: Any) -> Any:
        try:
            self._connection.send((method, arguments))
            good, result = self._connection.recv()
        except (EOFError, OSError) as error:
            raise RuntimeError(
                f"The process of the environment {self._factory} ended with exit code "
                f"{self._process.poll()} during {method}()."
            ) from error
        if good:
            return result
        raise result


def _serve(connection: Connection) -> None:
    """Answers requests until the connection closes."""
    environment = None
    while True:
        try:
            method, arguments = connection.recv()
        except EOFError:
            return
        try:
            if method == "make":
                module, _, name = arguments[0].partition(":")
                environment = getattr(importlib.import_module(module), name)(**arguments[1])
                result = {key: getattr(environment, key) for key in ProcessEnvironment.ATTRIBUTES}
            else:
                result = getattr(environment, method)(*arguments)
            answer = (True, result)
        except UserError as error:
            answer = (False, UserError(error.sentence))
        except Exception as error:
            answer = (False, RuntimeError(f"{type(error).__name__}: {error}"))
        try:
            connection.send(answer)
        except BrokenPipeError:
            return


if __name__ == "__main__":
    # Ctrl-C reaches the whole process group; the parent decides what happens.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _serve(Connection(int(sys.argv[1])))
