-- One row per execution and source table of which an instant has come into, or gone out of, the future since facts
-- were last computed. Empty in most runs; where it is not, facts are due without any change of the source.
with executions as (

    select * from {{ ref('int_workflows__executions') }}

),

events as {{ computed_where_used() }} (

    select * from {{ ref('stg_workflows__events') }}

),

applications as (

    select * from {{ source('control', 'applications') }}
    where
        application = 'workflows'
        and facts_as_of_from is not null

),

parameters as (

    select * from {{ source('control', 'current_run') }}

),

limits as (

    select
        least(applications.facts_as_of_from, parameters.as_of) + interval '24 hours' as first_limit,
        greatest(applications.facts_as_of_to, parameters.as_of) + interval '24 hours' as last_limit,
        parameters.future_limit,
        -- Forwards, what comes is known from the quarantine; otherwise all events have to be looked at.
        applications.facts_as_of_to > parameters.as_of as is_to_be_searched
    from applications
    cross join parameters

),

due as (

    select
        executions.execution_id,
        'workflows.workflow_executions' as source_table
    from limits
    inner join executions
        on
            limits.first_limit < executions.enrolled_at
            and limits.last_limit >= executions.enrolled_at
    union all
    select
        events.execution_id,
        'workflows.workflow_events' as source_table
    from limits
    cross join {{ quarantined_rows('workflows.workflow_events', 'in_the_future') }} as quarantined
    inner join events
        on quarantined.row_key::bigint = events.event_id
    where events.occurred_at <= limits.future_limit
    union all
    select
        events.execution_id,
        'workflows.workflow_events' as source_table
    from limits
    inner join events
        on
            limits.first_limit < events.occurred_at
            and limits.last_limit >= events.occurred_at
    where limits.is_to_be_searched

)

select * from due
