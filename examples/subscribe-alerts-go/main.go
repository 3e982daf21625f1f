// Subscribes to Taximeter's alerts: one line for each, and each once.
//
//	go run . HOST:PORT [TOPIC]
//
// It belongs to the consumer group "my-alerts": stopped and started again, it goes on
// where it was. Delivery is at least once, so the ids that were seen are remembered; keep
// them where they outlive the process if acting twice would hurt.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Alert has what this subscriber uses. Other kinds of alert have other fields; all of
// them have an event_type and an alert_id (docs/events).
type Alert struct {
	EventType        string `json:"event_type"`
	AlertID          string `json:"alert_id"`
	BudgetID         string `json:"budget_id"`
	SubjectKind      string `json:"subject_kind"`
	SubjectID        string `json:"subject_id"`
	ThresholdPercent int    `json:"threshold_percent"`
	// Amounts are decimals written as text: a float would not be the same amount.
	SpentUSD string `json:"spent_usd"`
	LimitUSD string `json:"limit_usd"`
	// Of a digest.
	Period      string `json:"period"`
	PeriodStart string `json:"period_start"`
	Calls       int64  `json:"calls"`
}

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: go run . HOST:PORT [TOPIC]")
		os.Exit(2)
	}
	topic := "taximeter.budget-alerts"
	if len(os.Args) > 2 {
		topic = os.Args[2]
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(os.Args[1]),
		kgo.ConsumerGroup("my-alerts"),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		// Alerts are written in transactions; one that was taken back never happened.
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.DisableAutoCommit(),
	)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer client.Close()
	stop, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	defer cancel()
	follow(stop, client)
}

func follow(stop context.Context, client *kgo.Client) {
	seen := map[string]bool{}
	for stop.Err() == nil {
		fetches := client.PollFetches(stop)
		fetches.EachRecord(func(record *kgo.Record) {
			var alert Alert
			if json.Unmarshal(record.Value, &alert) != nil || seen[alert.AlertID] {
				return
			}
			seen[alert.AlertID] = true
			act(alert)
		})
		// Only now: an alert that we did not get to act on comes again.
		if err := client.CommitUncommittedOffsets(stop); err != nil && stop.Err() == nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}

func act(alert Alert) {
	var words string
	switch alert.EventType {
	case "BudgetThresholdCrossed":
		words = fmt.Sprintf("%s: %s %s at %d %%, %s of %s USD", alert.BudgetID,
			alert.SubjectKind, alert.SubjectID, alert.ThresholdPercent, alert.SpentUSD,
			alert.LimitUSD)
	case "DigestDue":
		words = fmt.Sprintf("%s from %s: %s USD, %d calls", alert.Period,
			alert.PeriodStart, alert.SpentUSD, alert.Calls)
	default: // there are others, and one may come later
		words = alert.AlertID
	}
	fmt.Println(alert.EventType, words)
}
