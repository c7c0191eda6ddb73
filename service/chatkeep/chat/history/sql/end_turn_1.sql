-- Keep how a turn ended, unless another process did before, and return what its own process cannot know of it.
--
-- No row: it is not this replica's any more; it was deleted, or another one ended it. What the turn is found by is
-- made afterwards, see `chatkeep.chat.search.indexer`; until then `unsettled_turns` has it.
-- p_offered_models: the names that the operator's model server offers. The note for the statistics holds no other one: a
-- user may ask for a model by any name, which would be a stranger's text that stays when the stranger's account has gone,
-- and a counter more for every name.
CREATE FUNCTION end_turn_1(
    p_user_id uuid, p_conversation_id uuid, p_turn_id uuid, p_replica_id uuid, p_now timestamptz, p_status text,
    p_reply text, p_reply_items jsonb, p_finish_reason text, p_input_tokens integer, p_output_tokens integer,
    p_cached_tokens integer, p_reasoning_tokens integer, p_left_out integer, p_error_code text, p_error_detail text,
    p_default_model text, p_offered_models text[], p_first_text_ms integer
)
RETURNS TABLE (model text, rating smallint, comment text)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    begun_at timestamptz;
BEGIN
    -- First, as everybody does who locks more than one row of a conversation.
    PERFORM FROM conversations c WHERE c.user_id = p_user_id AND c.id = p_conversation_id FOR UPDATE;
    UPDATE unsettled_turns u SET ended_at = p_now
    WHERE u.user_id = p_user_id AND u.turn_id = p_turn_id AND u.replica_id = p_replica_id AND u.ended_at IS NULL;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    -- No column of an index, so that the row can stay in its page.
    UPDATE turns t
    SET status = p_status, reply = p_reply, reply_items = p_reply_items, finish_reason = p_finish_reason,
        model = coalesce(t.model, p_default_model), input_tokens = p_input_tokens, output_tokens = p_output_tokens,
        cached_tokens = p_cached_tokens, reasoning_tokens = p_reasoning_tokens, left_out = p_left_out,
        error_code = p_error_code, error_detail = p_error_detail, completed_at = p_now, replica_id = NULL
    WHERE t.user_id = p_user_id AND t.id = p_turn_id AND t.status = 'streaming'
    RETURNING t.created_at, t.model, t.rating, t.comment INTO begun_at, model, rating, comment;
    IF NOT FOUND THEN
        RETURN;  -- a process of the release before ended it, which knows nothing of `unsettled_turns`
    END IF;
    UPDATE conversations c SET streaming_turn_id = NULL, updated_at = p_now
    WHERE c.user_id = p_user_id AND c.id = p_conversation_id AND c.streaming_turn_id = p_turn_id;
    DELETE FROM reply_fragments f WHERE f.user_id = p_user_id AND f.turn_id = p_turn_id;
    INSERT INTO statistics_notes (user_id, kind, model, at, duration_ms, first_text_ms, input_tokens, output_tokens)
    VALUES (p_user_id, p_status, CASE WHEN model = ANY (p_offered_models) THEN model END, p_now,
            -- A row may have been begun at any time, also at one whose distance in milliseconds fits into no integer.
            extract(epoch FROM p_now - least(greatest(begun_at, p_now - interval '24 days'), p_now)) * 1000,
            p_first_text_ms, p_input_tokens, p_output_tokens);
    IF p_status <> 'complete' THEN
        INSERT INTO unusual_turns (user_id, turn_id, status) VALUES (p_user_id, p_turn_id, p_status);
    END IF;
    RETURN NEXT;
END
$$;
