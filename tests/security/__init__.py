"""What an attacker must not find."""
