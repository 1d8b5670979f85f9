"""Scans in forked children, in DataLoader workers and on several threads at once."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from wayscan.ops import selective_scan, threads


def large(scan_problem):
    return scan_problem(batch=2, channels=96, length=80, states=16)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_scans_alone_and_ends(scan_problem, two_threads):
    problem = large(scan_problem)
    expected = selective_scan(**problem)  # torch's threads have run by now
    child = os.fork()
    if child == 0:
        os._exit(0 if torch.equal(selective_scan(**problem), expected) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class Scans(Dataset):
    def __init__(self, problem):
        self.problem = problem

    def __len__(self):
        return 4

    def __getitem__(self, index):
        return selective_scan(**self.problem) * index


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_data_loader_workers_scan(scan_problem, two_threads):
    problem = large(scan_problem)
    expected = selective_scan(**problem)
    for index, batch in enumerate(DataLoader(Scans(problem), batch_size=1, num_workers=2)):
        torch.testing.assert_close(batch[0], expected * index)


def test_threads_of_the_caller_do_not_share_memory(scan_problem):
    problems = [scan_problem(channels=33, length=40, seed=seed) for seed in range(8)]

    def gradient(problem):
        u = problem["u"].detach().requires_grad_()
        selective_scan(**{**problem, "u": u}).square().sum().backward()
        return u.grad

    expected = [gradient(problem) for problem in problems]
    with ThreadPoolExecutor(4) as pool:
        for got, wanted in zip(pool.map(gradient, problems), expected, strict=True):
            assert torch.equal(got, wanted)


def test_without_openmp_there_are_threads_of_our_own(scan_problem, two_threads, monkeypatch):
    problem = large(scan_problem)
    expected = selective_scan(**problem)
    monkeypatch.setattr(threads, "_openmp", lambda: None)
    assert torch.equal(selective_scan(**problem), expected)
