"""LuantiBench: hand-written Luanti modding tasks, verified by executing the answer."""
