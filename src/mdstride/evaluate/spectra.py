"""Velocity autocorrelation and vibrational spectrum of forecasts at equally spaced lags.

Velocities are finite differences of positions, for forecasts and reference alike: v_j = (x_{j+1} - x_j) / interval.
They pass frequency f with the factor sinc(pi f interval), so only equal intervals can be compared. Nothing above
1 / (2 interval) is told from its mirror image below it (2085 cm-1 at 8 fs: stretches of hydrogen appear near 1200 cm-1,
weakly in the motion of heavy atoms). What does not move at all has zeros for both.
"""

import numpy as np

from mdstride.constants import LIGHT


def velocity_autocorrelation(positions: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """C_k = <sum_i m_i v_i(j) . v_i(j + k)> / <sum_i m_i v_i(j)²>, [T - 1], from positions [B, T, N, 3] of B windows.

    The mean is over windows and all j that have room; masses [N] of zero leave atoms out. The sums over j are those of
    a convolution, done by Fourier transform with as many zeros behind as there are velocities.
    """
    steps = _steps(positions, masses)
    count = steps.shape[1]
    power = (np.abs(np.fft.rfft(steps, 2 * count, axis=1)) ** 2).sum((0, 2))
    products = np.fft.irfft(power, 2 * count)[:count] / np.arange(count, 0, -1)
    return products / products[0] if steps.any() else products


def vibrational_spectrum(positions: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """The share [F] of the kinetic energy at each of `wavenumbers`, from positions [B, T, N, 3] in Å.

    The mass-weighted power spectrum of the velocities under a Hann window, mean over windows, of sum one. By the
    theorem of Wiener and Khinchin it is the Fourier transform of the velocity autocorrelation; without dipoles, so no
    infrared intensities. The resolution is 2 / (c T interval).
    """
    steps = _steps(positions, masses)
    count = steps.shape[1]
    window = np.sin(np.pi * np.arange(count) / count) ** 2
    power = np.abs(np.fft.rfft(steps * window[:, None], axis=1)) ** 2
    power[:, 1 : (count + 1) // 2] *= 2  # negative frequencies; zero and Nyquist have none
    density = power.sum((0, 2))
    return density / density.sum() if steps.any() else density


def wavenumbers(positions: int, interval: float) -> np.ndarray:
    """[F] cm-1 of the spectrum of so many positions at an interval in fs."""
    return np.fft.rfftfreq(positions - 1, interval) / LIGHT


def spectrum_overlap(one: np.ndarray, other: np.ndarray) -> float:
    """What two spectra of the same wavenumbers share: sum of the smaller, 1 if equal, 0 if disjoint."""
    return float(np.minimum(one, other).sum())


def _steps(positions: np.ndarray, masses: np.ndarray) -> np.ndarray:
    """Mass-weighted displacements [B, T - 1, 3H] of the H atoms of a mass other than zero."""
    moving = masses > 0
    steps = np.diff(positions[:, :, moving].astype(np.float64), axis=1) * np.sqrt(masses[moving])[:, None]
    return steps.reshape(*steps.shape[:2], -1)
