"""What clients of other people's servers share."""
