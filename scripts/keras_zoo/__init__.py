"""The models that `keras_fixtures.py` writes, and the versions of Keras that write them. Has to run on Python 3.7."""
