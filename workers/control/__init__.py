"""What people and programs do with runs from outside a worker: launch, steer, answer, fork, replay.
Everything goes through `run_log`. `views` is what the API shows."""
