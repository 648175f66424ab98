-- One row per mart, partition and source table that changes of executions have touched since the last plan: what an
-- execution added to a day before is set against what it adds now, and only days with a difference are dirty. So
-- an execution that turns out to have ended three days ago dirties the last three days.
-- Facts say the same as of any instant, what counts of them does not: changes are set against each other as of the last
-- plan, and what the instant has moved over since then is added.
with applications as (

    select planned_as_of + interval '24 hours' as planned_limit
    from {{ source('control', 'applications') }}
    where
        application = 'workflows'
        and facts_batch_id is not null

),

execution_changes as (

    select * from {{ fact_changes('int_workflows__executions') }}
    where
        reason is null
        and {{ is_finite('enrolled_at') }}
        -- Nearly all, which a planner does not know of a bound that it does not know: hence coalesce.
        and coalesce(enrolled_at <= (select applications.planned_limit from applications), false)
        and {{ facts_batch('workflows') }} >= 0

),

affected as (

    select * from {{ ref('int_workflows__affected_executions') }}

),

executions as (

    select * from {{ ref('int_workflows__executions') }}
    where
        reason is null
        and {{ is_finite('enrolled_at') }}

),

parameters as (

    select * from {{ source('control', 'current_run') }}

),

-- When the as-of instant moves, enrolments stop (or begin again) to be in the future.
released as (

    select
        case when parameters.future_limit >= applications.planned_limit then 1 else -1 end as _sign,
        executions.*
    from executions
    cross join applications
    cross join parameters
    where
        executions.enrolled_at > least(applications.planned_limit, parameters.future_limit)
        and executions.enrolled_at <= greatest(applications.planned_limit, parameters.future_limit)

),

differences as (

    select
        execution_changes.*,
        coalesce(affected.source_table, 'workflows.workflow_executions') as source_table
    from execution_changes
    left join affected
        on execution_changes.execution_id = affected.execution_id
    union all
    select
        released.*,
        'workflows.workflow_executions' as source_table
    from released

),

execution_days as (

    select
        'workflow_executions' as mart,
        enrolled_date as date,
        source_table,
        count(distinct execution_id) as row_count
    from differences
    group by enrolled_date, source_table

),

-- What an execution adds to the day of its enrolment, of its end and of its goal.
contributions as (

    select
        _sign, execution_id, workflow_id, source_table,
        'workflow_analytics' as mart,
        enrolled_date as date,
        'enrolled' as measure,
        case when is_converted then 'converted' else '' end as value
    from differences
    union all
    select
        _sign, execution_id, workflow_id, source_table,
        'workflow_analytics' as mart,
        ended_date as date,
        'ended' as measure,
        -- The duration shows in the averages of completed executions only.
        status || case when status = 'completed' then duration_microseconds::text else '' end as value
    from differences
    where
        ended_at is not null
        and status <> 'active'
    union all
    select
        _sign, execution_id, workflow_id, source_table,
        'workflow_analytics' as mart,
        goal_date as date,
        'goal' as measure,
        '' as value
    from differences
    where goal_reached_at is not null
    union all
    select
        _sign, execution_id, workflow_id, source_table,
        'workflow_analytics_hourly' as mart,
        enrolled_date as date,
        'enrolled' as measure,
        {{ utc_hour('enrolled_at') }}::text as value
    from differences
    union all
    select
        _sign, execution_id, workflow_id, source_table,
        'workflow_analytics_hourly' as mart,
        ended_date as date,
        status as measure,
        {{ utc_hour('ended_at') }}::text as value
    from differences
    where
        ended_at is not null
        and status <> 'active'
    union all
    select
        _sign, execution_id, workflow_id, source_table,
        'workflow_analytics_hourly' as mart,
        goal_date as date,
        'goal' as measure,
        {{ utc_hour('goal_reached_at') }}::text as value
    from differences
    where goal_reached_at is not null
    union all
    select
        _sign, execution_id, workflow_id, source_table,
        'duration_histogram' as mart,
        ended_date as date,
        'completed' as measure,
        duration_microseconds::text as value
    from differences
    where
        ended_at is not null
        and status = 'completed'
    union all
    -- How many there are in the cohort, and whether all have ended.
    select
        _sign, execution_id, workflow_id, source_table,
        'workflow_step_metrics' as mart,
        enrolled_date as date,
        'enrolled' as measure,
        case when ended_at is null then 'open' else 'ended' end as value
    from differences
    union all
    -- Whose execution it is shows in weeks and months only.
    select
        _sign, execution_id, workflow_id, source_table,
        'workflow_analytics_weekly' as mart,
        {{ week_of('enrolled_date') }} as date,
        'contact' as measure,
        contact_id::text as value
    from differences
    union all
    select
        _sign, execution_id, workflow_id, source_table,
        'workflow_analytics_monthly' as mart,
        {{ month_of('enrolled_date') }} as date,
        'contact' as measure,
        contact_id::text as value
    from differences

),

contributions_changed as (

    select
        mart,
        execution_id,
        date,
        min(source_table) as source_table
    from contributions
    group by mart, execution_id, workflow_id, date, measure, value
    having sum(_sign) <> 0

),

-- Grouped first and counted then, both by hashing: count(distinct …) would sort them.
executions_changed as (

    select
        mart,
        date,
        source_table,
        execution_id
    from contributions_changed
    group by mart, date, source_table, execution_id

),

-- active_count rises on the day of enrolment and falls on the day of the end: net of before and after, the
-- days between two borders at which the running sum is not zero are those whose count is another one.
active_borders as (

    select _sign as step, execution_id, workflow_id, source_table, enrolled_date as date from differences
    union all
    select -_sign as step, execution_id, workflow_id, source_table, ended_date as date from differences
    where ended_at is not null

),

active_borders_netted as (

    select
        workflow_id,
        source_table,
        date,
        sum(step) as step,
        count(distinct execution_id) as row_count
    from active_borders
    group by workflow_id, source_table, date

),

active_runs as (

    select
        workflow_id,
        source_table,
        date,
        lead(date) over by_date as next_date,
        sum(step) over by_date as difference,
        sum(row_count) over by_date as row_count
    from active_borders_netted
    window by_date as (partition by workflow_id, source_table order by date)

),

days as (

    select date from {{ source('control', 'local_days') }}
    where timezone = 'UTC'

),

active_days as (

    select
        days.date,
        active_runs.source_table,
        max(active_runs.row_count) as row_count
    from active_runs
    inner join days
        on
            active_runs.date <= days.date
            and (active_runs.next_date is null or active_runs.next_date > days.date)
    where active_runs.difference <> 0
    group by days.date, active_runs.source_table

),

dirty as (

    select mart, date, source_table, row_count from execution_days
    union all
    select
        mart,
        date,
        source_table,
        count(*) as row_count
    from executions_changed
    group by mart, date, source_table
    union all
    select 'workflow_analytics' as mart, date, source_table, row_count from active_days

),

summed as (

    select
        mart,
        date as partition_start,
        source_table,
        max(row_count)::bigint as row_count
    from dirty
    group by mart, date, source_table

)

select * from summed
