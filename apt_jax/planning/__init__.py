"""What a run would cost, told before anyone trains."""
