"""Machines with a shell that a program of this one reaches: ssh, adb."""
