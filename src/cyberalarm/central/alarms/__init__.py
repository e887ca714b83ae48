"""What has gone wrong between a member's devices and the centre: noticed each minute, told once, kept with its history."""
