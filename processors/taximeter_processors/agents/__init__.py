"""The Faust agents: glue between topics and the pure modules beside this folder."""
