"""Muon in float32, for machines that have no bfloat16."""

import torch


class Muon(torch.optim.Muon):
    """torch.optim.Muon in float32: the same state and steps, but for rounding. Nesterov's momentum, the least norm and
    the rate by a matrix's shape are as they are by default, whatever is asked.

    PyTorch's multiplies in bfloat16 on every machine. Where that has to be imitated it takes up to a hundred times as
    long as float32, and longer than all else in a step.
    """

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Step every matrix, (m, n), by its gradient."""
        for group in self.param_groups:
            rate, momentum = group["lr"], group["momentum"]
            for matrix in group["params"]:
                mean = self.state[matrix].setdefault("momentum_buffer", torch.zeros_like(matrix))
                mean.lerp_(matrix.grad, 1 - momentum)
                update = orthogonal(matrix.grad.lerp(mean, momentum), group["ns_coefficients"], group["ns_steps"])
                rows, columns = matrix.shape
                matrix.mul_(1 - rate * group["weight_decay"]).add_(update, alpha=-rate * max(1, rows / columns) ** 0.5)


def orthogonal(matrix: torch.Tensor, coefficients: tuple[float, float, float], steps: int) -> torch.Tensor:
    """About the nearest matrix whose rows, or columns where they are fewer, are orthogonal and of unit length; (m, n).

    Each Newton-Schulz step multiplies the matrix by a polynomial of its Gram matrix. All of these commute, so they are
    multiplied by each other, (m, m), and the matrix only once by the whole: for filters of 3×3, less than half of the
    work. Source: Dao AI Lab, Gram Newton-Schulz, 2026; the restarts told of there are for half precision.
    """
    if matrix.shape[0] > matrix.shape[1]:
        return orthogonal(matrix.T, coefficients, steps).T
    linear, cubic, quintic = coefficients
    matrix = matrix / matrix.norm().clamp(min=1e-7)
    gram = matrix @ matrix.T  # (m, m)
    whole = torch.eye(len(gram), device=gram.device)
    for _ in range(steps):
        factor = torch.addmm(gram, gram, gram, beta=cubic, alpha=quintic)
        factor.diagonal().add_(linear)
        whole = factor @ whole
        gram = factor @ gram @ factor
    return whole @ matrix
