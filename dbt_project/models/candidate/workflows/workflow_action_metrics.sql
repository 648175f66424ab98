-- One row per workflow, step, action type and UTC day with any event of an action or message.
with events as (

    select * from {{ ref('int_workflows__action_events') }}

),

run_days as (

    select * from {{ run_days('workflow_action_metrics') }} as run_days

),

counted as (

    select
        events.workflow_id,
        events.step_id,
        events.action_type,
        events.date,
        count(case when events.event_type = 'action_started' then 1 end)::bigint as attempted_count,
        count(case when events.event_type = 'action_succeeded' then 1 end)::bigint as succeeded_count,
        count(case when events.event_type = 'action_failed' then 1 end)::bigint as failed_count,
        count(case when events.event_type = 'message_delivered' then 1 end)::bigint as delivered_count,
        count(case when events.event_type = 'message_opened' then 1 end)::bigint as opened_count,
        count(case when events.event_type = 'message_clicked' then 1 end)::bigint as clicked_count,
        {{ average('sum(events.duration_ms)', 'count(events.duration_ms)') }} as avg_duration_ms,
        {{ percentile_cont(0.5, 'events.duration_ms::double precision') }} as p50_duration_ms,
        {{ percentile_cont(0.95, 'events.duration_ms::double precision') }} as p95_duration_ms,
        count(*)::bigint as _source_row_count
    from events
    inner join run_days
        on events.date = run_days.date
    group by events.workflow_id, events.step_id, events.action_type, events.date

),

measures as (

    select
        workflow_id,
        step_id,
        action_type,
        date,
        attempted_count,
        succeeded_count,
        failed_count,
        delivered_count,
        opened_count,
        clicked_count,
        {{ ratio('succeeded_count', 'succeeded_count + failed_count') }} as success_rate,
        avg_duration_ms,
        p50_duration_ms,
        p95_duration_ms,
        _source_row_count
    from counted

)

select * from measures
