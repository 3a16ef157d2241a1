"""EchoModel, which answers without a model server."""

from agent_runtime.models.echo import EchoModel


async def test_answers_with_the_last_user_message() -> None:
    messages = [
        {"role": "user", "content": "one"},
        {"role": "user", "content": [{"type": "text", "text": "two"}, {"type": "image_url", "image_url": {}}]},
        {"role": "assistant", "content": None},
    ]

    completion = await EchoModel("e").complete({"messages": messages})

    assert completion["choices"][0]["message"]["content"] == "two"
    assert completion["usage"] == {"prompt_tokens": 2, "completion_tokens": 1, "total_tokens": 3}


async def test_without_a_user_message_the_answer_is_empty() -> None:
    completion = await EchoModel("e").complete({"messages": [{"role": "system", "content": "x"}]})

    assert completion["choices"][0]["message"]["content"] == ""
