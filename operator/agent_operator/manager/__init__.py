"""The parts of one operator process, put together: start and end, results of the probes, gauges."""
