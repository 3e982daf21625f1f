// Sends usage events to Taximeter's API: one, then a batch. It needs nothing but Go:
//
//	TAXIMETER_URL=http://127.0.0.1:8470 TAXIMETER_API_TOKEN=… go run .
//
// Every language can send the same: docs/events/UsageRecorded.v1.schema.json.
package main

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

const patience = 2 * time.Minute

// UsageRecorded has the fields that this program fills in.
type UsageRecorded struct {
	EventID    string           `json:"event_id"`
	OccurredAt time.Time        `json:"occurred_at"`
	Source     string           `json:"source"`
	Provider   string           `json:"provider"`
	Model      string           `json:"model"`
	Usage      map[string]int64 `json:"usage"`
	UserID     string           `json:"user_id,omitempty"`
	ProjectID  string           `json:"project_id,omitempty"`
	ResponseID string           `json:"response_id,omitempty"`
}

// Answer is what OpenAI answered, as far as a meter needs it.
type Answer struct {
	ID                            string
	Model                         string
	Prompt, Cached                int64
	Completion, ReasoningOfOutput int64
}

// eventID makes the id of a call's event of the provider's own id of its answer, so that it
// is the same after a restart, and the same that Taximeter's other integrations give the call.
func eventID(provider, responseID string) string {
	namespace, _ := hex.DecodeString("7f6c1a523c0e5e0b9a5574c1d6f6a8f1")
	name := strings.Join([]string{"response", provider, responseID, "0"}, "\x1f")
	id := sha1.Sum(append(namespace, name...))
	id[6] = id[6]&0x0f | 0x50
	id[8] = id[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:16])
}

// recorded puts each token into exactly one bucket: cached ones are not input, reasoning is
// not text.
func recorded(answer Answer, user string) UsageRecorded {
	return UsageRecorded{
		EventID:    eventID("openai", answer.ID),
		OccurredAt: time.Now().UTC(),
		Source:     "go-example",
		Provider:   "openai",
		Model:      answer.Model,
		Usage: map[string]int64{
			"text_input_tokens":       answer.Prompt - answer.Cached,
			"cache_read_tokens":       answer.Cached,
			"text_output_tokens":      answer.Completion - answer.ReasoningOfOutput,
			"reasoning_output_tokens": answer.ReasoningOfOutput,
		},
		UserID:     user,
		ProjectID:  "search",
		ResponseID: answer.ID,
	}
}

// send sends one event or many, and the same again while the API cannot take them.
func send(events any) (int, error) {
	body, err := json.Marshal(events)
	if err != nil {
		return 0, err
	}
	until := time.Now().Add(patience)
	for {
		accepted, wait, err := try(body)
		if err == nil || wait == 0 {
			return accepted, err
		}
		if time.Now().Add(wait).After(until) {
			return 0, fmt.Errorf("nobody took them: %w", err)
		}
		time.Sleep(wait)
	}
}

// try sends a body once. An error with a time to wait is one that may pass.
func try(body []byte) (int, time.Duration, error) {
	request, err := http.NewRequest(http.MethodPost, url()+"/v1/events", bytes.NewReader(body))
	if err != nil {
		return 0, 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	if token := os.Getenv("TAXIMETER_API_TOKEN"); token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, time.Second, err
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, time.Second, err
	}
	switch answer.StatusCode {
	case http.StatusAccepted:
		return taken(said)
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		// Too much is under way, or Kafka is away: events count once, however often they come.
		return 0, pause(answer), fmt.Errorf("%s: %s", answer.Status, said)
	default:
		return 0, 0, fmt.Errorf("%s: %s", answer.Status, said)
	}
}

func taken(said []byte) (int, time.Duration, error) {
	var counts struct{ Accepted, Rejected int }
	if err := json.Unmarshal(said, &counts); err != nil {
		return 0, 0, err
	}
	if counts.Rejected > 0 {
		return counts.Accepted, 0, fmt.Errorf("some are wrong: %s", said)
	}
	return counts.Accepted, 0, nil
}

func pause(answer *http.Response) time.Duration {
	seconds, err := strconv.Atoi(answer.Header.Get("Retry-After"))
	if err != nil || seconds < 1 {
		seconds = 1
	}
	return time.Duration(seconds) * time.Second
}

func url() string {
	if url := os.Getenv("TAXIMETER_URL"); url != "" {
		return url
	}
	return "http://127.0.0.1:8470"
}

func anAnswer(id string) Answer {
	return Answer{id, "gpt-4o-mini", 1200, 800, 350, 120}
}

func main() {
	one := recorded(anAnswer("chatcmpl-example-0001"), "alice")
	batch := []UsageRecorded{
		recorded(anAnswer("chatcmpl-example-0002"), "bob"),
		recorded(anAnswer("chatcmpl-example-0003"), "bob"),
	}
	for _, events := range []any{one, batch} {
		accepted, err := send(events)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println("accepted", accepted)
	}
}
