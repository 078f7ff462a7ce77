"""Reasons to finish, in the words and spellings of services."""

from __future__ import annotations

FINISH = {
    "stop": "stop stopped eos eos_token eos_found eot eot_id im_end end end_turn end_of_turn endoftext end_of_text "
    "end_of_sentence stop_sequence stop_sequences stop_token stop_tokens stop_word stop_words stop_str stop_string "
    "complete completed done finished success normal natural",
    "length": "length max_length model_length max_tokens max_new_tokens max_output_tokens max_completion_tokens "
    "token_limit limit length_limit context_length model_context_window_exceeded",
    "tool_calls": "tool_calls tool_call function_call tool_use unexpected_tool_call",
    "content_filter": "content_filter content_filtered safety sensitive recitation blocklist blocked "
    "prohibited_content spii image_safety guardrail guardrail_intervened moderation",
    "refusal": "refusal refused",
    "error": "error network_error malformed_function_call malformed_response",
}
