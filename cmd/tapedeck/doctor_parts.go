package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"tapedeck/pipeline/kafka"
	"tapedeck/store"
)

func checkLog(ctx context.Context, c Config) finding {
	f := finding{part: "log"}
	p, err := c.place(false)
	if err != nil {
		f.says, f.remedy = err.Error(), "choose the directory of this feed, or another with --data DIR"
		return f
	}
	v := &view{}
	defer v.close()
	if err := v.openLog(ctx, c, p, discard()); err != nil {
		f.says, f.remedy = err.Error(), "see "+p.path("tapedeck.log")
		return f
	}
	if v.log == nil {
		f.well, f.says = true, "embedded; nothing has been recorded here yet"
		return f
	}
	started := time.Now()
	if err := v.log.Ping(ctx); err != nil {
		f.says, f.remedy = err.Error(), "check kafka.brokers, kafka.protocol and the credentials, and that the brokers run"
		return f
	}
	took := time.Since(started)
	cluster, err := v.log.Describe(ctx)
	if err != nil {
		f.says, f.remedy = err.Error(), "the user of the cluster needs the right to describe it"
		return f
	}
	where := "embedded"
	if len(c.Kafka.Brokers) > 0 {
		where = "cluster of " + cluster.Sentence()
	}
	f.well, f.says = true, fmt.Sprintf("%s, answers in %d ms, %d topics of %d",
		where, took.Milliseconds(), len(cluster.Topics), len(kafka.Topics()))
	if missing := len(kafka.Topics()) - len(cluster.Topics); missing > 0 {
		f.warn, f.remedy = true, fmt.Sprintf("%d topics are missing: tapedeck run makes them", missing)
	}
	if trouble := cluster.Trouble(); trouble != "" {
		f.warn, f.says = true, f.says+"; "+trouble
		f.remedy = "start the broker that is away, or wait while it catches up; see docs/cluster.md"
		return f
	}
	if f.warn || len(c.Kafka.Brokers) == 0 {
		return f
	}
	if differences, err := v.log.Differences(ctx); err == nil && len(differences) > 0 {
		f.warn, f.remedy = true, fmt.Sprintf("%d settings of topics differ from the configuration: tapedeck topics plan shows them", len(differences))
	}
	return f
}

func checkLake(ctx context.Context, c Config) finding {
	f := finding{part: "lake"}
	data, err := c.dataDir()
	if err != nil {
		f.says = err.Error()
		return f
	}
	p, err := enterPlace(data)
	if err != nil {
		f.says, f.remedy = err.Error(), "choose another directory with --data DIR"
		return f
	}
	l, err := openLake(ctx, c, p, p.guest, discard())
	if err != nil {
		f.says, f.remedy = err.Error(), "check lake and s3.* in the configuration, the credentials and the rights on the bucket"
		return f
	}
	defer l.Close()
	f.well, f.says = true, l.Location()
	return f
}

func checkSQL(ctx context.Context, c Config) finding {
	f := finding{part: "sql"}
	started := time.Now()
	v, err := openView(ctx, c, io.Discard)
	if err != nil {
		f.says = err.Error()
		return f
	}
	defer v.close()
	rows, err := v.db.Query(ctx, "SELECT count(*) FROM dead_letters", store.Options{})
	if err == nil {
		for rows.Next() {
			f.says = fmt.Sprintf("answers in %d ms, %v dead letters", time.Since(started).Milliseconds(), rows.Values()[0])
		}
		err = rows.Err()
		rows.Close()
	}
	if err != nil {
		f.says, f.remedy = err.Error(), "raise sql.memory if it names memory; see tapedeck.log otherwise"
		return f
	}
	f.well = true
	return f
}
