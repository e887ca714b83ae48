"""The parts of `cyberalarm demo`: the stage (folders, ports, processes), the cast (members, police, collectors), the verdict."""
