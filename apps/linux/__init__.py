"""What Linux boards use of a bundle: a library for Python, and one for C++."""
