{{ config(severity='error', meta={'mart': 'analytics_monthly_metrics'}) }}
-- Parts are no larger than their wholes, and the minutes of the categories are those of the month. A row names the
-- first rule that it violates. That months are the sums of their days is an equation of the reconciliation.
with metrics as (

    select * from {{ ref('analytics_monthly_metrics') }}
    where month in (select run_months.date from {{ run_days('analytics_monthly_metrics') }} as run_months)

),

category_sums as (

    select
        metrics.user_id,
        metrics.month,
        sum(pairs.value::bigint) as minutes
    from metrics
    {{ cross_join_json_pairs('metrics.category_minutes') }}
    group by metrics.user_id, metrics.month

),

rows_judged as (

    select
        metrics.month as partition_start,
        case
            when metrics.active_days not between 1 and 31 then '1 <= active_days <= 31'
            when coalesce(category_sums.minutes, 0) <> metrics.total_scheduled_minutes
                then 'category_minutes sum to total_scheduled_minutes'
            when metrics.completed_scheduled_tasks_count > metrics.scheduled_tasks_count
                then 'completed_scheduled_tasks_count <= scheduled_tasks_count'
            when metrics.focus_minutes > metrics.focus_capacity_minutes then 'focus_minutes <= focus_capacity_minutes'
            when metrics.focus_minutes > metrics.total_scheduled_minutes
                then 'focus_minutes <= total_scheduled_minutes'
        end as violation,
        metrics.user_id
    from metrics
    left join category_sums
        on metrics.user_id = category_sums.user_id and metrics.month = category_sums.month

),

violations as (

    select * from rows_judged
    where violation is not null

)

select * from violations
