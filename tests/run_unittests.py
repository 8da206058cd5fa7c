#!/usr/bin/env python3
"""Runs the unittest files of a folder and prints one line a test, `passed|failed|skipped NAME`; what they say goes to stderr.

    python3 tests/run_unittests.py FOLDER
"""
import sys
import unittest


class Lines(unittest.TextTestResult):
    """Prints a line when a test has ended. A test fails once, however many of its sub-tests fail."""

    def startTest(self, test):
        self.ended = "passed"
        super().startTest(test)

    def addError(self, test, err):
        super().addError(test, err)
        self.ended = "failed"
        if not isinstance(test, unittest.TestCase) or not hasattr(test, "_testMethodName"):
            print("failed", test.id(), flush=True)  # setUpClass and the like: no test of that name starts or stops

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.ended = "failed"

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.ended = "failed"

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.ended = "failed"

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.ended = "skipped"

    def stopTest(self, test):
        super().stopTest(test)
        print(self.ended, test.id(), flush=True)


def main(folder):
    sys.path.insert(0, folder)
    tests = unittest.defaultTestLoader.discover(folder, pattern="test_*.py")
    result = unittest.TextTestRunner(stream=sys.stderr, verbosity=0, resultclass=Lines).run(tests)
    return 0 if result.wasSuccessful() and result.testsRun else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
