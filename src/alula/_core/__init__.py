"""What every layer stands on: ids, clock, settings, serialisation, framing, fault gates.

Nothing here knows what a task is. The modules are imported one by one (there is no façade), so that
a face pays at import only for what it uses.
"""
