# SPDX-License-Identifier: Apache-2.0
"""A web application that hands work to tasks: `uvicorn fastqueue.examples.fastapi_example:app`."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, HTTPException

from fastqueue.integration.fastapi import FastQueue

app = FastAPI()
queue = FastQueue(app)


@app.post("/add")
async def add(x: float, y: float) -> dict[str, Any]:
    return {"task_id": await queue.delay("add", x, y, priority="high")}


@app.get("/tasks/{task_id}")
async def task(task_id: str) -> dict[str, Any]:
    status = await queue.get_task_status(task_id)
    if status is None:
        raise HTTPException(404, "no such task")
    result = await queue.get_task_result(task_id)
    return (result or status).model_dump()
