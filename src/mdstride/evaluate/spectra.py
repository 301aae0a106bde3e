"""Velocity autocorrelation and vibrational spectrum of forecasts at equally spaced lags.

Velocities are finite differences of positions, for forecasts and reference alike: v_j = (x_{j+1} - x_j) / interval.
They pass frequency f with the factor sinc(pi f interval), so only equal intervals can be compared, and nothing above
1 / (2 interval) is seen (2085 cm-1 at 8 fs).
"""

import numpy as np

from mdstride.constants import LIGHT


def velocity_autocorrelation(positions: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """C_k = <sum_i m_i v_i(j) . v_i(j + k)> / <sum_i m_i v_i(j)²>, [T - 1], from positions [B, T, N, 3] of B windows.

    The mean is over windows and all j that have room; masses [N] of zero leave atoms out.
    """
    steps = np.diff(positions.astype(np.float64), axis=1) * np.sqrt(masses)[:, None]
    count = steps.shape[1]
    products = [(steps[:, : count - k] * steps[:, k:]).sum((2, 3)).mean() for k in range(count)]
    return np.array(products) / products[0]


def vibrational_spectrum(positions: np.ndarray, masses: np.ndarray, interval: float) -> tuple[np.ndarray, np.ndarray]:
    """Wavenumbers [F] in cm-1 and the share [F] of the kinetic energy at each, from positions [B, T, N, 3] in Å.

    The mass-weighted power spectrum of the velocities under a Hann window, mean over windows, of sum one. By the
    theorem of Wiener and Khinchin it is the Fourier transform of the velocity autocorrelation; without dipoles, so no
    infrared intensities. `interval` in fs; the resolution is 2 / (c T interval).
    """
    velocities = np.diff(positions.astype(np.float64), axis=1) * np.sqrt(masses)[:, None]
    count = velocities.shape[1]
    window = np.sin(np.pi * np.arange(count) / count) ** 2
    power = np.abs(np.fft.rfft(velocities * window[:, None, None], axis=1)) ** 2
    power[:, 1 : (count + 1) // 2] *= 2  # negative frequencies; zero and Nyquist have none
    density = power.sum((2, 3)).mean(0)
    return np.fft.rfftfreq(count, interval) / LIGHT, density / density.sum()


def spectrum_overlap(one: np.ndarray, other: np.ndarray) -> float:
    """What two spectra of the same wavenumbers share: sum of the smaller after norming, 1 if equal, 0 if disjoint."""
    return float(np.minimum(one / one.sum(), other / other.sum()).sum())
