"""Structured logs: JSON lines, or coloured text for a terminal. Message bodies are never logged."""

import logging
import sys

import structlog

from models.settings import Settings

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def setup_logs(settings: Settings, process: str) -> None:
    """Send this process' logs to standard error, each line with the process' kind."""
    level = LEVELS[settings.log_level]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            lambda _, __, event: {"process": process, **event},
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=max(level, logging.WARNING), stream=sys.stderr)
