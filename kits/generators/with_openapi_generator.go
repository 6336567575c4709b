// A client made with openapi-generator: uploads a list, follows it, reads its results.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	voiceops "github.com/GIT_USER_ID/GIT_REPO_ID"
)

func main() {
	server, key, agent, number, file := os.Args[1], os.Args[2], os.Args[3], os.Args[4], os.Args[5]
	configuration := voiceops.NewConfiguration()
	configuration.Servers = voiceops.ServerConfigurations{{URL: server}}
	configuration.AddDefaultHeader("Authorization", "Bearer "+key)
	batches := voiceops.NewAPIClient(configuration).BatchesAPI
	ctx := context.Background()

	list, err := os.Open(file)
	check(err)
	batch, _, err := batches.BatchesCreate(ctx).Name("openapi-generator for Go").AgentId(agent).PhoneNumberId(number).
		Start(voiceops.BATCHSTART_NOW).File(list).Execute()
	check(err)
	for batch.Status != "completed" && batch.Status != "stopped" && batch.Status != "failed" {
		time.Sleep(300 * time.Millisecond)
		batch, _, err = batches.BatchesGet(ctx, batch.Id).Execute()
		check(err)
	}
	recipients, _, err := batches.BatchesRecipientsList(ctx, batch.Id).Execute()
	check(err)
	for _, recipient := range recipients.Items {
		fmt.Printf("%s %s\n", recipient.PhoneNumber, *recipient.Outcome.Get())
	}
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
