"""The recurrent networks of monterrey-2023, which read an image row by row, and two that its report wished for."""

from __future__ import annotations

from ropero.models.layers import Dense, Dropout, Layer
from ropero.models.normalization import BatchNormalization
from ropero.models.recurrent import GRU, LSTM, AttentionPooling, Bidirectional, Rows, SimpleRNN


def monterrey_rnn() -> list[Layer]:
    return [
        Rows(),
        SimpleRNN(256, "relu", return_sequences=True),
        SimpleRNN(128, "relu", return_sequences=True),
        SimpleRNN(64, "relu"),
        BatchNormalization(),
        Dense(),
    ]


def monterrey_bilstm() -> list[Layer]:
    return [
        Rows(),
        Bidirectional(LSTM(256, return_sequences=True)),
        Bidirectional(LSTM(128)),
        *_monterrey_top(),
    ]


def monterrey_gru() -> list[Layer]:
    """monterrey_rnn with gated units, which the report wished for."""
    return [
        Rows(),
        GRU(256, return_sequences=True),
        GRU(128, return_sequences=True),
        GRU(64),
        BatchNormalization(),
        Dense(),
    ]


def monterrey_attention() -> list[Layer]:
    """monterrey_bilstm that looks at all rows of its last layer, weighted, instead of at the outer two."""
    return [
        Rows(),
        Bidirectional(LSTM(256, return_sequences=True)),
        Bidirectional(LSTM(128, return_sequences=True)),
        AttentionPooling(64),
        *_monterrey_top(),
    ]


def _monterrey_top() -> list[Layer]:
    return [Dense(256, "relu"), Dropout(0.3), Dense(128, "relu"), Dropout(0.3), Dense()]
