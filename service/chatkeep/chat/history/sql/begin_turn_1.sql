-- Begin a turn: lock its conversation, keep the prompt, and return what the model has to know.
--
-- No row: the conversation is not there, or not the user's. `verdict` is `begun`, or says why nothing was kept:
-- `repeated` (the key began `same_id` before), `in_progress` (`streaming_turn_id` is being answered), `no_parent`.
-- Every statement sees what was committed before it: also the turn that ended while the lock was waited for.
--
-- p_prompt NULL: that of `p_sibling_of`. p_file_ids NULL: neither the prompt nor that of `p_sibling_of` may have files.
-- The columns `earlier_…`: the turns before it, newest first, until they have `p_context_bytes`.
CREATE FUNCTION begin_turn_1(
    p_user_id uuid, p_conversation_id uuid, p_turn_id uuid, p_replica_id uuid, p_now timestamptz,
    p_parent_id uuid, p_sibling_of uuid, p_prompt text, p_prompt_items jsonb, p_continues boolean,
    p_model text, p_default_model text, p_params jsonb, p_idempotency_key text, p_request_digest bytea,
    p_title text, p_context_bytes integer, p_file_ids uuid[]
)
RETURNS TABLE (
    verdict text, streaming_turn_id uuid, same_id uuid, same_digest bytea,
    parent_id uuid, "position" integer, sibling_count bigint,
    prompt text, prompt_items jsonb, continues boolean, system_prompt text, model text, params jsonb,
    earlier_prompt text[], earlier_reply text[], earlier_prompt_items jsonb[], earlier_reply_items jsonb[],
    earlier_continues boolean[]
)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    conversation record;
    sibling record;
    wanted_id uuid;
    before record;
BEGIN
    SELECT c.head_turn_id, c.streaming_turn_id, c.system_prompt, c.model, c.params INTO conversation
    FROM conversations c WHERE c.user_id = p_user_id AND c.id = p_conversation_id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    verdict := 'begun';
    streaming_turn_id := conversation.streaming_turn_id;
    system_prompt := conversation.system_prompt;
    model := coalesce(p_model, conversation.model, p_default_model);
    params := conversation.params || p_params;
    prompt := p_prompt;
    prompt_items := p_prompt_items;
    continues := p_continues;
    "position" := 0;

    wanted_id := coalesce(p_parent_id, conversation.head_turn_id);
    IF p_sibling_of IS NOT NULL THEN
        SELECT t.parent_id, t.prompt, t.prompt_items, t.continues INTO sibling
        FROM turns t WHERE t.user_id = p_user_id AND t.id = p_sibling_of AND t.conversation_id = p_conversation_id;
        IF NOT FOUND THEN
            verdict := 'no_parent';
        ELSIF p_prompt IS NULL THEN
            prompt := sibling.prompt;
            prompt_items := sibling.prompt_items;
            continues := sibling.continues;
        END IF;
        wanted_id := sibling.parent_id;
    END IF;
    IF wanted_id IS NOT NULL THEN
        SELECT t.id, t.position INTO before
        FROM turns t WHERE t.user_id = p_user_id AND t.id = wanted_id AND t.conversation_id = p_conversation_id;
        IF FOUND THEN
            parent_id := before.id;
            "position" := before.position + 1;
        ELSIF p_parent_id IS NOT NULL THEN
            verdict := 'no_parent';
        END IF;
    END IF;
    IF streaming_turn_id IS NOT NULL THEN
        verdict := 'in_progress';
    END IF;
    IF p_idempotency_key IS NOT NULL THEN
        SELECT t.id, t.request_digest INTO same_id, same_digest FROM turns t
        WHERE t.user_id = p_user_id AND t.conversation_id = p_conversation_id AND t.idempotency_key = p_idempotency_key;
        IF FOUND THEN
            verdict := 'repeated';
        END IF;
    END IF;
    IF verdict <> 'begun' THEN
        RETURN NEXT;
        RETURN;
    END IF;

    -- Two ways to ask, since `IS NOT DISTINCT FROM` is no condition of an index.
    IF parent_id IS NULL THEN
        SELECT count(*) + 1 INTO sibling_count FROM turns t
        WHERE t.user_id = p_user_id AND t.conversation_id = p_conversation_id AND t.position = 0
            AND t.parent_id IS NULL;
    ELSE
        SELECT count(*) + 1 INTO sibling_count FROM turns t
        WHERE t.user_id = p_user_id AND t.conversation_id = p_conversation_id AND t.position = before.position + 1
            AND t.parent_id = before.id;
    END IF;

    INSERT INTO turns (user_id, id, conversation_id, parent_id, position, status, prompt, prompt_items, continues,
                       model, params, idempotency_key, request_digest, created_at)
    VALUES (p_user_id, p_turn_id, p_conversation_id, parent_id, "position", 'streaming', prompt, prompt_items,
            continues, model, params, p_idempotency_key, p_request_digest, p_now);
    INSERT INTO unsettled_turns (user_id, turn_id, conversation_id, replica_id)
    VALUES (p_user_id, p_turn_id, p_conversation_id, p_replica_id);
    UPDATE conversations c
    SET head_turn_id = p_turn_id, streaming_turn_id = p_turn_id, turn_count = c.turn_count + 1,
        title = coalesce(c.title, p_title), updated_at = p_now, last_turn_at = p_now
    WHERE c.user_id = p_user_id AND c.id = p_conversation_id;
    UPDATE user_activity a SET turn_count = a.turn_count + 1 WHERE a.user_id = p_user_id;
    IF p_file_ids IS NOT NULL THEN
        INSERT INTO turn_files (user_id, turn_id, file_id)
        SELECT p_user_id, p_turn_id, given.id FROM unnest(p_file_ids) AS given (id)
        UNION
        SELECT p_user_id, p_turn_id, f.file_id FROM turn_files f
        WHERE f.user_id = p_user_id AND f.turn_id = p_sibling_of AND p_prompt IS NULL;
    END IF;

    IF parent_id IS NOT NULL THEN
        WITH RECURSIVE path AS (
            SELECT before.id AS parent_id, before.position + 1 AS position, NULL::text AS prompt, NULL::text AS reply,
                NULL::jsonb AS prompt_items, NULL::jsonb AS reply_items, NULL::boolean AS continues, 0 AS bytes
            UNION ALL
            SELECT above.parent_id, above.position, above.prompt, above.reply, above.prompt_items, above.reply_items,
                above.continues,
                path.bytes + octet_length(above.prompt) + coalesce(octet_length(above.reply), 0)
                    + coalesce(octet_length(above.prompt_items::text), 0)
                    + coalesce(octet_length(above.reply_items::text), 0)
            FROM path
            -- One look-up for each turn, by all that is known of it: whichever index is taken leads to one row.
            CROSS JOIN LATERAL (
                SELECT t.parent_id, t.position, t.prompt, t.reply, t.continues,
                    jsonb_path_query_array(
                        t.prompt_items,
                        '$[*] ? (@.type like_regex "^(message|refusal|function_call|function_call_output|image|file)$")'
                    ) AS prompt_items,
                    -- Reasoning only where it stands between calls. Other items may be large.
                    CASE WHEN t.reply_items @> '[{"type": "function_call"}]' THEN jsonb_path_query_array(
                        t.reply_items,
                        '$[*] ? (@.type like_regex "^(message|refusal|function_call|function_call_output|reasoning)$")'
                    ) ELSE jsonb_path_query_array(
                        t.reply_items,
                        '$[*] ? (@.type like_regex "^(message|refusal|function_call|function_call_output)$")'
                    ) END AS reply_items
                FROM turns t
                WHERE t.user_id = p_user_id AND t.conversation_id = p_conversation_id
                    AND t.position = path.position - 1 AND t.id = path.parent_id
                LIMIT 1
            ) AS above
            WHERE path.bytes < p_context_bytes
        )
        SELECT array_agg(path.prompt ORDER BY path.position DESC), array_agg(path.reply ORDER BY path.position DESC),
            array_agg(path.prompt_items ORDER BY path.position DESC),
            array_agg(path.reply_items ORDER BY path.position DESC),
            array_agg(path.continues ORDER BY path.position DESC)
        INTO earlier_prompt, earlier_reply, earlier_prompt_items, earlier_reply_items, earlier_continues
        FROM path WHERE path.position <= before.position;
    END IF;
    RETURN NEXT;
END
$$;
