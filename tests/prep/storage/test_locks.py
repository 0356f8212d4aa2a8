"""A lock that is waited for; that one process alone holds it is shown by tests/prep/build."""

import threading
import time

import pytest

from prep.errors import DataError
from prep.storage.locks import locked


def test_the_patient_one_gets_it_when_the_other_is_done(tmp_path):
    path, order = tmp_path / ".lock", []
    with locked(path, "it"):
        with pytest.raises(DataError, match="another evaluation is writing it"):
            locked(path, "it", writer="evaluation", patience=0.2).__enter__()

        def wait():
            with locked(path, "it", patience=60):
                order.append("second")

        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.3)
        order.append("first")
    waiting.join()
    assert order == ["first", "second"] and not path.exists()
