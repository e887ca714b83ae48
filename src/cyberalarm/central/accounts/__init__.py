"""People: who they are, of which member or with which police scope, and what each may see."""
