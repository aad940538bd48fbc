"""What a cancel means before it is asked for, and what it came to."""

from core.jobs.job import Job, State


def cancel_means(job: Job, place: str) -> str:
    """What a cancel would do now, and whether it is free; "" for a job that has ended.

    Args:
        job: the job.
        place: the provider's name for people.
    """
    free_here = job.provider == "preview"
    match job.state:
        case State.WAITING:
            return "Free: nothing has been sent yet."
        case State.SUBMITTING:
            return f"It is being sent at this moment. {place} is asked to drop it as soon as it has answered."
        case State.QUEUED:
            return "Free: it is still in line." if not free_here else "Free: nothing has been made yet."
        case State.RUNNING if free_here:
            return "Free: the render stops."
        case State.RUNNING:
            return f"{place} is asked to stop. It may finish all the same; then it is charged, and its video is kept."
        case State.SAVING if job.faults:
            return "The video is made and paid, and does not come. Giving it up means that it is no longer asked for."
        case State.SAVING:
            return "Too late: the video is made and paid. It is being fetched."
        case State.UNKNOWN:
            return "Let it be: it is no longer looked for. If it was accepted, it may be charged all the same."
    return ""


def cancel_came_to(job: Job, place: str) -> str:
    """What became of a cancel that was asked for; "" where none was, or where the job's error says it."""
    if not job.cancel_requested or job.state is State.CANCELLED:
        return ""
    if job.state is State.SUCCEEDED:
        return "The cancel came too late: the video was made, and is kept."
    if job.state in (State.FAILED, State.UNKNOWN):
        return ""
    match job.cancel_answer:
        case "requested":
            return f"{place} was asked to stop. It may finish all the same; then its video is kept."
        case "too_late":
            return "Too late to cancel: the video was made already. It is being fetched."
    return "Cancel asked for; it is passed on at the next look."
