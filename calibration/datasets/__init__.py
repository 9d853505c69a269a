"""Sources of representative samples; each reads one kind of data and checks it against the model's inputs."""
