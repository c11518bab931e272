"""What a run would do and cost, told before anyone trains."""
