"""Operations: what operators do to accounts from Slack. Values and rules, pure; `execution` carries them out."""
