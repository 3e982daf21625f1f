"""What runs in a process of its own: one module a task, each with `run(facts)`.

`python -m taximeter.bench.tasks TASK FACTS` prints what it measured as JSON. Inputs
are made before the clock starts, and imports do not count.
"""
