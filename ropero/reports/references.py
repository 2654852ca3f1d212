"""What a document refers to: where the data and the methods come from."""

from __future__ import annotations

from ropero.runs import Run


def of_run(run: Run) -> list[str]:
    """Sources of the data, where they are known, and of the methods that the document uses."""
    known = []
    if run.data.name == "fashion-mnist":
        known.append(
            "H. Xiao, K. Rasul, R. Vollgraf. Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning "
            "Algorithms. arXiv 1708.07747, 2017."
        )
    return [
        *known,
        "E. B. Wilson. Probable inference, the law of succession, and statistical inference. JASA 22, 1927.",
        "C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger. On calibration of modern neural networks. ICML 2017, "
        "arXiv 1706.04599.",
        "Y. Geifman, R. El-Yaniv. Selective classification for deep neural networks. NeurIPS 2017, arXiv 1705.08500.",
        "M. Sundararajan, A. Taly, Q. Yan. Axiomatic attribution for deep networks. ICML 2017, arXiv 1703.01365.",
        "R. R. Selvaraju et al. Grad-CAM. ICCV 2017, arXiv 1610.02391.",
        "V. Petsiuk, A. Das, K. Saenko. RISE. BMVC 2018, arXiv 1806.07421.",
        "D. Hendrycks, T. Dietterich. Benchmarking neural network robustness. ICLR 2019, arXiv 1903.12261.",
    ]
