# SPDX-License-Identifier: Apache-2.0
"""A real systemd that is not this machine's: a user's manager with units of our own, and its bus, in a mount namespace
that says the machine was booted with systemd."""

import os
import shutil
import signal
import socket
import subprocess

from http_lab import wait_until

SYSTEMD = "/lib/systemd/systemd"
BOOTED = "/run/systemd/system"
UNITS = {
    "lab-busy.service": "[Service]\nType=exec\nExecStart=/bin/sleep 1000\nTasksMax=77\n",
    "lab-once.service": "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
    "lab-fails.service": "[Service]\nType=oneshot\nExecStart=/bin/false\n",
    "lab-again.service": "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/false\nRestart=on-failure\n"
                         "RestartSec=50ms\n",
    "lab-idle.timer": "[Timer]\nOnActiveSec=100ms\nUnit=lab-once.service\n",
    "lab-ear.socket": "[Socket]\nListenStream={run}/ear\nAccept=yes\n",
    "lab-ear@.service": "[Service]\nExecStart=/bin/sleep 1000\nStandardInput=socket\n",
}


class Systemd:
    def __init__(self, folder):
        self.folder = folder
        self.run = os.path.join(folder, "run")
        units = os.path.join(folder, "config", "systemd", "user")
        os.makedirs(units)
        os.makedirs(self.run, mode=0o700)
        for name, text in UNITS.items():
            with open(os.path.join(units, name), "w", encoding="ascii") as file:
                file.write(text.replace("{run}", self.run))
        self.environment = {"PATH": os.environ["PATH"], "XDG_RUNTIME_DIR": self.run, "HOME": folder,
                            "XDG_CONFIG_HOME": os.path.join(folder, "config"), "SYSTEMD_LOG_TARGET": "console"}
        with open(os.path.join(folder, "systemd.log"), "wb") as log:
            self.process = subprocess.Popen(
                ["unshare", "-m", "sh", "-c",
                 f"mkdir -p /run/systemd && mount -t tmpfs none /run/systemd && mkdir {BOOTED} && "
                 f"exec {SYSTEMD} --user"],
                env=self.environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.address = f"unix:path={self.run}/bus"
        try:
            wait_until(lambda: self.property("", "SystemState", check=False) in ("running", "degraded"), 30,
                       "systemd to have started")
        except AssertionError:
            self.stop()
            raise

    def control(self, *arguments, check=True):
        done = subprocess.run(["systemctl", "--user", *arguments], capture_output=True, text=True, check=False,
                              env={**self.environment, "DBUS_SESSION_BUS_ADDRESS": self.address})
        assert not check or not done.returncode, done.stderr
        return done.stdout.strip()

    def property(self, unit, name, check=True):
        """Of a unit, or of systemd itself."""
        return self.control("show", "--value", f"--property={name}", *([unit] if unit else []), check=check)

    def connect(self):
        ear = socket.socket(socket.AF_UNIX)
        ear.connect(os.path.join(self.run, "ear"))
        return ear

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def missing():
    """What this machine has not; None: nothing."""
    for program in (SYSTEMD, "systemctl", "dbus-daemon", "unshare"):
        if not shutil.which(program):
            return f"{program} is not on this machine"
    if not os.path.exists("/usr/lib/systemd/user/dbus.socket"):
        return "a user's systemd has no bus on this machine: install dbus-user-session"
    return None
