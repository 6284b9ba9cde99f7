-- Views over the tables trials, scores, epochs and clusterings. `select * from best`, and so on.

-- The trials that count. Those of role choose only select the settings of a fixed trial, which runs
-- with them again: as replicates beside it they would mix settings. clustering_group is the
-- clustering_id, and one for all seeds where each trial clusters its own encoder's features; the
-- pretrained encoder as it is, which no clustering trained, is a row of its own (frozen).
-- is_replicate says whether a trial is averaged with others of its clustering and objective: where
-- there are complete ones of the sweep's own seeds (fixed, confirmed), searched ones are not. One
-- of those was picked for its result, which is luck in part; others may differ in settings.
create view counted as
with grouped as (
    select
        *,
        case
            when source = 'kmeans' and spec ->> '$.clustering.features' in ('encoder', 'head')
            then min(clustering_id)
                over (partition by sweep, data_fingerprint, spec -> '$.clustering')
            when source = 'frozen' then 'frozen'
            else clustering_id
        end as clustering_group
    from trials where role <> 'choose'
)
select
    *,
    role <> 'search' or not bool_or(role <> 'search' and status = 'complete')
        over (partition by sweep, clustering_group, objective) as is_replicate
from grouped;

-- The trial of each sweep that validation likes best; test accuracies played no part in the choice.
create view best as
with chosen as (
    select
        *,
        coalesce(
            nullif(val_linear_top1_5, 'nan'::double),
            nullif(val_linear_top1_all, 'nan'::double),
            nullif(val_knn_top1_all, 'nan'::double),
            nullif(val_knn, 'nan'::double)
        ) as validation
    from counted
    where status = 'complete'
)
select * from chosen
where validation is not null
qualify row_number() over (partition by sweep order by validation desc, number, trial_id) = 1
order by sweep;

-- One row per clustering in a sweep: mean and sample standard deviation (_std) of every top-1
-- accuracy over its complete replicates. What a clustering is measured to be is a mean too, since
-- each seed has its own where the encoder's features are clustered.
create view by_clustering as
with averaged as (
    select
        sweep, clustering_group, objective, t.source,
        any_value(clustering order by number) as clustering,
        count(*) as trials,
        count(distinct seed) as seeds,
        round(avg(n_clusters))::bigint as n_clusters,
        avg(i_zt) as i_zt,
        avg(i_zt_chance) as i_zt_chance,
        avg(i_zt_excess) as i_zt_excess,
        avg(h_z_given_t) as h_z_given_t,
        avg(h_z) as h_z,
        avg(ami) as ami,
        sum(seconds) as seconds,
        -- DuckDB holds that NaN equals NaN, so nullif leaves NaN out of the means.
        avg(nullif(columns('^(val|test)_(linear|knn)_top1_(1|5|10|all)$'), 'nan'::double)) as '\0',
        stddev_samp(nullif(columns('^(val|test)_(linear|knn)_top1_(1|5|10|all)$'), 'nan'::double))
            as '\0_std'
    from counted t left join clusterings c using (clustering_id)
    where status = 'complete' and is_replicate
    group by sweep, clustering_group, objective, t.source
)
select
    sweep, clustering, source, objective, trials, seeds,
    n_clusters, i_zt, i_zt_chance, i_zt_excess, h_z_given_t, h_z, ami,
    clustering_group as clustering_id, seconds,
    averaged.* exclude (
        sweep, clustering, source, objective, trials, seeds, n_clusters, i_zt, i_zt_chance,
        i_zt_excess, h_z_given_t, h_z, ami, clustering_group, seconds
    )
from averaged
order by sweep, test_linear_top1_5 desc nulls last, clustering;

-- One row per clustering in a sweep and measure of a target: mean, sample standard deviation over its
-- complete replicates, and how many seeds those have.
create view by_target as
select
    sweep, clustering_group as clustering_id, any_value(clustering order by number) as clustering,
    t.source, objective, s.target, split, probe, labels, measure, grouped_by, "group",
    avg(nullif(value, 'nan'::double)) as value,
    stddev_samp(nullif(value, 'nan'::double)) as value_std,
    count(nullif(value, 'nan'::double)) as trials,
    count(distinct seed) as seeds,
    round(avg(images))::bigint as images
from counted t join scores s using (trial_id)
where status = 'complete' and is_replicate
group by
    sweep, clustering_group, t.source, objective, s.target, split, probe, labels, measure,
    grouped_by, "group";

-- One row per trial and attribute of its sweep; included says whether its clustering uses it.
create view attributes as
with offered as (
    select distinct sweep, unnest(attributes) as attribute from counted where source = 'attributes'
)
select
    t.trial_id, t.sweep, o.attribute, list_contains(t.attributes, o.attribute) as included,
    t.status, t.seed, t.clustering_id, t.val_knn, t.val_linear_top1_5, t.test_linear_top1_5,
    t.test_linear_top1_all
from counted t join offered o using (sweep)
where t.source = 'attributes'
order by t.sweep, t.number, t.trial_id, o.attribute;
