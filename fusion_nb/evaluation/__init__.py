"""Was asking several models worth it, and how far can a judge be trusted: counted, priced, and no more than is shown.

A gain is claimed only where somebody says which answers are right, and the difference is more than chance would give.
"""

from __future__ import annotations

from fusion_nb.evaluation.calibration import calibrate
from fusion_nb.evaluation.calibration_report import CalibrationReport
from fusion_nb.evaluation.evaluate_runs import evaluate, worth
from fusion_nb.evaluation.evaluation_plan import EvaluationPlan
from fusion_nb.evaluation.evaluation_report import EvaluationReport

__all__ = ["CalibrationReport", "EvaluationPlan", "EvaluationReport", "calibrate", "evaluate", "worth"]
