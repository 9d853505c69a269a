"""Android phones by adb."""
