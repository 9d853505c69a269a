"""LiteRT (.tflite) files and their XNNPACK delegate."""
