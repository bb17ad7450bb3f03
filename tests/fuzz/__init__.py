"""Every decoder, fed with what nobody should ever send."""
