"""LuantiBench: hand-written Luanti modding tasks, judged by executing the answer."""
