"""The console's forms: the reason for an act."""

from __future__ import annotations

from django import forms

from cyberalarm.central.site.text import plain_line


class ReasonForm(forms.Form):
    """Why something is done; it stands in the record of privileged acts for good."""

    why = forms.CharField(label="Why?", max_length=200, error_messages={"required": "Say why, in a few words"})

    def clean_why(self) -> str:
        why = plain_line(self.cleaned_data["why"])
        if not why:
            raise forms.ValidationError("Say why, in a few words")
        return why
